// A text that two people write at once: Yjs in the page, its WebSocket server here, as in the guides of both.
import http from 'node:http';
import utils from 'y-websocket/bin/utils';
import { build } from 'esbuild';
import { WebSocketServer } from 'ws';

const source = `
  import * as Y from 'yjs';
  import { WebsocketProvider } from 'y-websocket';
  const text = new Y.Doc();
  const provider = new WebsocketProvider(location.origin.replace(/^http/, 'ws'), 'room', text, { disableBc: true });
  const area = document.querySelector('#area'), shared = text.getText('text');
  provider.on('status', event => document.querySelector('#status').textContent = event.status);
  provider.awareness.setLocalStateField('user', location.hash);
  provider.awareness.on('change', () => document.querySelector('#people').textContent = provider.awareness.getStates().size);
  shared.observe(() => area.value = shared.toString());
  area.oninput = () => text.transact(() => { shared.delete(0, shared.length); shared.insert(0, area.value); });
  window.append = more => shared.insert(shared.length, more);`;
const script = (await build({ stdin: { contents: source, resolveDir: import.meta.dirname }, bundle: true, write: false, format: 'iife' })).outputFiles[0].text;
const page = '<!doctype html><title>Text</title><textarea id="area"></textarea><output id="status"></output><output id="people"></output><script src="/client.js"></script>';
const server = http.createServer((request, response) => request.url === '/client.js'
  ? response.setHeader('content-type', 'text/javascript').end(script)
  : response.setHeader('content-type', 'text/html').end(page));
new WebSocketServer({ server }).on('connection', utils.setupWSConnection);
server.listen(process.env.PORT);
