// An application as its framework's guide shows it: absolute links, redirects, a session cookie for the whole host.
import crypto from 'node:crypto';
import express from 'express';
import session from 'express-session';

const app = express();
app.set('trust proxy', 1);
app.use(session({ secret: crypto.randomBytes(16).toString('hex'), resave: false, saveUninitialized: false, cookie: { secure: 'auto', httpOnly: true } }));
app.use(express.urlencoded({ extended: false }));

const page = body => `<!doctype html><title>Rooms</title><link rel="stylesheet" href="/style.css"><body>${body}</body>`;
const escape = text => text.replace(/[&<>"]/g, c => `&#${c.charCodeAt(0)};`);

app.get('/style.css', (_, response) => response.type('css').send('body { color: rgb(1, 2, 3) }'));
app.get('/', (request, response) => response.redirect(request.session.user ? '/room' : '/login'));
app.get('/login', (_, response) => response.send(page('<form method="post" action="/login"><input name="user" id="user"><button id="go">Log in</button></form>')));
app.post('/login', (request, response) => {
  request.session.user = request.body.user;
  response.redirect(`${request.protocol}://${request.get('host')}/room`);
});
app.get('/room', (request, response) => request.session.user
  ? response.send(page(`<h1 id="hello">hello ${escape(request.session.user)}</h1><a id="out" href="/logout">Log out</a>`))
  : response.redirect('/login'));
app.get('/logout', (request, response) => request.session.destroy(() => response.redirect('/')));
app.get('/seen', (request, response) => response.json({ url: request.originalUrl, secure: request.secure, cookie: request.headers.cookie ?? '', verified: request.get('x-verified-username') ?? '' }));
app.listen(process.env.PORT);
