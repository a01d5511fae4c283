// A name server over UDP (RFC 1035) for tests: it answers MX, TXT, CNAME, A and AAAA from a table that the test
// changes. What the table lacks does not exist. Names that the test made mute get no answer.

import { createSocket } from 'node:dgram';
import type { AddressInfo } from 'node:net';

const TYPES: Readonly<Record<number, string>> = { 1: 'A', 5: 'CNAME', 15: 'MX', 16: 'TXT', 28: 'AAAA' };
const QUERY_HEAD_OCTETS = 12;
const NAME_ERROR = 3;
const SERVER_FAILURE = 2;

export type NameServer = Awaited<ReturnType<typeof startNameServer>>;

/** `records`: `NAME TYPE` → values as a zone file has them, without final dots; texts without quotes. */
export async function startNameServer(records: Map<string, readonly string[]>) {
  const socket = createSocket('udp4');
  const failing = new Set<string>();
  const asked: string[] = [];
  socket.on('message', (query, from) => {
    const { name, type, end } = questionOf(query);
    asked.push(`${name} ${type}`);
    const values = records.get(`${name} ${type}`) ?? [];
    const exists = [...records.keys()].some((key) => key.startsWith(`${name} `));
    const code = failing.has(name) ? SERVER_FAILURE : exists ? 0 : NAME_ERROR;
    const answers = code === 0 ? values.map((value) => answerOf(type, value)) : [];
    const head = Buffer.alloc(QUERY_HEAD_OCTETS);
    head.writeUInt16BE(query.readUInt16BE(0), 0);
    head.writeUInt16BE(0x8180 | code, 2); // an answer; recursion was asked for, and is offered
    head.writeUInt16BE(1, 4);
    head.writeUInt16BE(answers.length, 6);
    socket.send(Buffer.concat([head, query.subarray(QUERY_HEAD_OCTETS, end), ...answers]), from.port, from.address);
  });
  await new Promise<void>((resolve) => socket.bind(0, '127.0.0.1', resolve));
  const { port } = socket.address() as AddressInfo;
  return {
    address: `127.0.0.1:${port}`,
    asked,
    /** Names that the server cannot answer for. */
    failing,
    close: () => new Promise<void>((resolve) => socket.close(() => resolve())),
  };
}

function questionOf(query: Buffer): { readonly name: string; readonly type: string; readonly end: number } {
  const labels: string[] = [];
  let at = QUERY_HEAD_OCTETS;
  for (let length = query.readUInt8(at); length > 0; length = query.readUInt8(at)) {
    labels.push(query.toString('latin1', at + 1, at + 1 + length));
    at += 1 + length;
  }
  const type = TYPES[query.readUInt16BE(at + 1)] ?? 'OTHER';
  return { name: labels.join('.').toLowerCase(), type, end: at + 5 };
}

function answerOf(type: string, value: string): Buffer {
  const data = dataOf(type, value);
  const head = Buffer.from([0xc0, QUERY_HEAD_OCTETS, 0, 0, 0, 1, 0, 0, 0, 60, 0, 0]); // the name of the question, IN
  head.writeUInt16BE(Number(Object.keys(TYPES).find((each) => TYPES[Number(each)] === type)), 2);
  head.writeUInt16BE(data.length, 10);
  return Buffer.concat([head, data]);
}

function dataOf(type: string, value: string): Buffer {
  if (type === 'A') return Buffer.from(value.split('.').map(Number));
  if (type === 'CNAME') return nameOf(value);
  if (type === 'TXT')
    return Buffer.concat(
      (value.match(/.{1,255}/gs) ?? ['']).map((part) => Buffer.from([part.length, ...Buffer.from(part)])),
    );
  const [preference = '', host = ''] = value.split(' ');
  return Buffer.concat([Buffer.from([0, Number(preference)]), nameOf(host)]);
}

function nameOf(name: string): Buffer {
  const labels = name === '.' ? [] : name.split('.');
  return Buffer.concat([
    ...labels.map((label) => Buffer.from([label.length, ...Buffer.from(label)])),
    Buffer.from([0]),
  ]);
}
