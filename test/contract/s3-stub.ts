// A server that answers GetObject as S3 does, and as S3 does on its bad days: each key may have an answer of its own.
// It knows nothing of signatures; what it is asked for is recorded.

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';

export type Answer = (request: IncomingMessage, response: ServerResponse) => void;
export type S3Stub = {
  readonly endpoint: string;
  readonly objects: Map<string, Uint8Array>;
  readonly answers: Map<string, Answer>;
  /** `METHOD key range` of each request. */
  readonly requests: string[];
  /** Sockets open now, and opened ever. */
  open(): number;
  opened(): number;
  close(): Promise<void>;
};

export async function openS3Stub(): Promise<S3Stub> {
  const objects = new Map<string, Uint8Array>();
  const answers = new Map<string, Answer>();
  const requests: string[] = [];
  const sockets = new Set<Socket>();
  let opened = 0;
  const server = createServer((request, response) => {
    request.resume();
    const path = decodeURIComponent(new URL(request.url ?? '/', 'http://stub').pathname);
    const key = path.slice(path.indexOf('/', 1) + 1);
    requests.push(`${request.method} ${key} ${request.headers.range ?? '-'}`);
    const answer = answers.get(key) ?? ((asked, answering) => get(objects.get(key), asked, answering));
    answer(request, response);
  });
  server.on('connection', (socket) => {
    opened += 1;
    sockets.add(socket.on('close', () => sockets.delete(socket)));
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    endpoint: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    objects,
    answers,
    requests,
    open: () => sockets.size,
    opened: () => opened,
    close: async () => {
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };
}

/** An error as S3 words it. */
export function refuse(status: number, code: string): Answer {
  return (_request, response) => {
    response.writeHead(status, { 'content-type': 'application/xml' });
    response.end(
      `<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>${code}</Code><Message>because</Message></Error>`,
    );
  };
}

function get(content: Uint8Array | undefined, request: IncomingMessage, response: ServerResponse): void {
  if (content === undefined) return void refuse(404, 'NoSuchKey')(request, response);
  const fields = { etag: '"e"', 'content-type': 'application/octet-stream', 'x-amz-version-id': 'v1' };
  const range = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? '');
  if (range === null) {
    response.writeHead(200, { ...fields, 'content-length': content.byteLength });
    return void response.end(content);
  }
  if (content.byteLength === 0) return void refuse(416, 'InvalidRange')(request, response);
  const part = content.subarray(Number(range[1]), Number(range[2]) + 1);
  const last = Number(range[1]) + part.byteLength - 1;
  response.writeHead(206, {
    ...fields,
    'content-length': part.byteLength,
    'content-range': `bytes ${range[1]}-${last}/${content.byteLength}`,
  });
  response.end(part);
}
