import './style.css';
import { message } from './message.js';

const app = document.querySelector('#app');
app.textContent = message;
// What a page that is loaded anew would lose.
document.querySelector('#kept').textContent = crypto.randomUUID();
import.meta.hot.accept('./message.js', module => { app.textContent = module.message; });
