// A chat with the defaults of socket.io: the client connects to /socket.io of the page's host, by polling, and then upgrades to a WebSocket.
import http from 'node:http';
import { Server } from 'socket.io';

const page = `<!doctype html><title>Chat</title>
<ul id="log"></ul><form id="form"><input id="text"></form><output id="transport"></output>
<script src="/socket.io/socket.io.js"></script>
<script>
  const socket = io();
  const show = () => transport.textContent = socket.io.engine.transport.name;
  socket.on('connect', () => { show(); socket.io.engine.on('upgrade', show); });
  socket.on('connect_error', error => transport.textContent = error.message);
  socket.on('chat', message => log.append(Object.assign(document.createElement('li'), { textContent: message })));
  form.onsubmit = event => { event.preventDefault(); socket.emit('chat', text.value); text.value = ''; };
</script>`;
const server = http.createServer((_, response) => response.setHeader('content-type', 'text/html').end(page));
const io = new Server(server);
io.on('connection', socket => socket.on('chat', message => io.emit('chat', `${socket.handshake.headers['x-verified-username'] ?? 'nobody'}: ${message}`)));
server.listen(process.env.PORT);
