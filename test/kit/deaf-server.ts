// A port of this machine that takes no connection more, so that connecting to it hangs as it does where nothing leads:
// a process listens and never accepts, and the kernel drops what comes after the first few.

import { spawn } from 'node:child_process';
import { connect } from 'node:net';

const LISTENS =
  "const s = require('net').createServer().listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => {" +
  "require('fs').writeSync(1, String(s.address().port)); Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0); });";

export async function deafServer(): Promise<{ readonly port: number; close(): void }> {
  const listening = spawn(process.execPath, ['-e', LISTENS]);
  const port = await new Promise<number>((resolve) => listening.stdout.once('data', (text) => resolve(Number(text))));
  const waiting = Array.from({ length: 4 }, () => connect(port, '127.0.0.1').on('error', () => {}));
  return {
    port,
    close() {
      for (const socket of waiting) socket.destroy();
      listening.kill('SIGKILL');
    },
  };
}
