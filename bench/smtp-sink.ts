// An SMTP server for benchmarks that takes everything and keeps nothing, as lean as it can be, in a process of its own.
// It looks for the end of the content and counts; it checks no syntax.
//   node bench/smtp-sink.ts        prints `ready PORT`; STATS answers `250 {"connections":n,"messages":n,"bytes":n}`

import { type AddressInfo, createServer, type Socket } from 'node:net';

const END = Buffer.from('\r\n.\r\n');
const EHLO = '250-sink\r\n250-PIPELINING\r\n250-8BITMIME\r\n250-SMTPUTF8\r\n250-ENHANCEDSTATUSCODES\r\n250 SIZE 0\r\n';
const total = { connections: 0, messages: 0, bytes: 0 };

const server = createServer((socket) => {
  socket.setNoDelay(true);
  socket.on('error', () => {});
  socket.write('220 sink ESMTP\r\n');
  take(socket);
});
server.listen(0, '127.0.0.1', () => console.log(`ready ${(server.address() as AddressInfo).port}`));

function take(socket: Socket): void {
  let inContent = false;
  let tail = Buffer.alloc(0); // the last bytes of content seen, in which the end mark may have begun
  let commands = '';
  socket.on('data', (chunk: Buffer) => {
    let rest: Buffer | null = chunk;
    while (rest !== null && rest.length > 0) {
      if (!inContent) {
        commands += rest.toString('latin1');
        rest = dialogue();
        continue;
      }
      const border = Buffer.concat([tail, rest.subarray(0, END.length - 1)]);
      const atBorder = border.indexOf(END);
      const found = atBorder >= 0 ? atBorder - tail.length : rest.indexOf(END);
      if (atBorder < 0 && found < 0) {
        total.bytes += rest.length;
        tail = Buffer.concat([tail, rest.subarray(-4)]).subarray(-4);
        return;
      }
      const after = found + END.length;
      total.bytes += after;
      total.messages++;
      inContent = false;
      socket.write('250 2.0.0 Ok\r\n');
      rest = rest.subarray(after);
    }
  });

  /** Answers whole lines; what follows DATA is content. */
  function dialogue(): Buffer | null {
    let out = '';
    for (let end = commands.indexOf('\r\n'); end >= 0; end = commands.indexOf('\r\n')) {
      const line = commands.slice(0, end);
      commands = commands.slice(end + 2);
      if (line === 'DATA') {
        const content = Buffer.from(commands, 'latin1');
        commands = '';
        inContent = true;
        tail = Buffer.from('\r\n');
        socket.write(`${out}354 go on\r\n`);
        return content;
      }
      if (line.startsWith('EHLO')) {
        total.connections++;
        out += EHLO;
      } else if (line === 'STATS') out += `250 ${JSON.stringify(total)}\r\n`;
      else if (line === 'QUIT') {
        socket.end(`${out}221 bye\r\n`);
        return null;
      } else out += '250 2.0.0 Ok\r\n';
    }
    if (out !== '') socket.write(out);
    return null;
  }
}
