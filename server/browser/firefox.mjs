// Firefox without a window, driven by WebDriver BiDi (https://www.w3.org/TR/webdriver-bidi/): as much of it as a test needs.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';
import { PATIENCE } from './harness.mjs';

const WebSocket = createRequire(import.meta.url)(process.env.WS);

/** Starts Firefox with the profile that trusts the server's CA. */
export async function startFirefox() {
  const args = ['--headless', '--no-remote', '--profile', process.env.FIREFOX_PROFILE, '--remote-debugging-port', '0', 'about:blank'];
  const child = spawn('/usr/bin/firefox-esr', args, { env: { ...process.env, HOME: process.env.BROWSER_HOME }, stdio: ['ignore', 'ignore', 'pipe'] });
  const stop = async () => {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGTERM');
      await once(child, 'exit');
    }
  };
  const lines = createInterface({ input: child.stderr });
  const endpoint = await new Promise((resolve, reject) => {
    lines.on('line', (line) => {
      const listening = /WebDriver BiDi listening on (ws:\S+)/.exec(line);
      if (listening) resolve(listening[1]);
    });
    child.once('exit', (code) => reject(new Error(`Firefox ended with ${code}`)));
    setTimeout(() => reject(new Error('Firefox did not listen in time')), 3 * PATIENCE).unref();
  });
  const socket = new WebSocket(`${endpoint}/session`);
  await once(socket, 'open');
  const waiting = new Map();
  socket.on('message', (data) => {
    const { id, type, result, error, message } = JSON.parse(data);
    const asked = waiting.get(id);
    waiting.delete(id);
    if (type === 'success') asked?.resolve(result);
    else asked?.reject(new Error(`${error}: ${message}`));
  });
  let next = 0;
  const command = (method, params) => new Promise((resolve, reject) => {
    next += 1;
    waiting.set(next, { resolve, reject });
    socket.send(JSON.stringify({ id: next, method, params }));
  });
  await command('session.new', { capabilities: {} });
  const { context } = await command('browsingContext.create', { type: 'tab' });
  return {
    stop,
    goto: (url) => command('browsingContext.navigate', { context, url, wait: 'complete' }),
    /** What the promise that `expression` gives resolves to, a string. */
    async evaluate(expression) {
      const { type, result, exceptionDetails } = await command('script.evaluate', { expression, target: { context }, awaitPromise: true });
      if (type === 'exception') throw new Error(exceptionDetails.text);
      return result.value;
    },
  };
}
