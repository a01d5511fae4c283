// A token endpoint for tests: HTTPS on loopback, by the certificate of fixtures/tls. It keeps what it was asked,
// answers as the test says, and gives a new token each time where nothing is said. It checks no secret by itself.

import { readFileSync } from 'node:fs';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { AddressInfo } from 'node:net';

export type Asked = {
  readonly method: string;
  readonly path: string;
  readonly headers: IncomingMessage['headers'];
  readonly form: Readonly<Record<string, string>>;
};
/** What is answered to the nth request, from 0 on; undefined: a token. */
export type Answering = (asked: Asked, index: number, response: ServerResponse) => unknown;
export type TokenEndpoint = {
  readonly url: string;
  readonly asked: readonly Asked[];
  /** The tokens that were given out, in order. */
  readonly tokens: readonly string[];
  close(): Promise<void>;
};

const fixture = (name: string) => readFileSync(new URL(`../fixtures/tls/${name}`, import.meta.url));

/** `length`: of each token, in characters. */
export async function tokenEndpoint(
  answer: Answering = () => undefined,
  { expiresIn = 3_600, length = 40 }: { readonly expiresIn?: number; readonly length?: number } = {},
): Promise<TokenEndpoint> {
  const asked: Asked[] = [];
  const tokens: string[] = [];
  const server = createServer({ key: fixture('server.key'), cert: fixture('server.pem') }, (request, response) => {
    let body = '';
    request.on('data', (chunk: Buffer) => {
      body += chunk.toString();
    });
    request.on('end', () => {
      const { method = '', url: path = '', headers } = request;
      const it = { method, path, headers, form: Object.fromEntries(new URLSearchParams(body)) };
      asked.push(it);
      if (answer(it, asked.length - 1, response) !== undefined) return;
      const token = `tok${tokens.length}.`.padEnd(length, 'AbCd0123');
      tokens.push(token);
      json(response, 200, { access_token: token, token_type: 'Bearer', expires_in: expiresIn });
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `https://127.0.0.1:${(server.address() as AddressInfo).port}/token`,
    asked,
    tokens,
    close() {
      server.closeAllConnections();
      return new Promise((resolve) => server.close(() => resolve()));
    },
  };
}

/** Answers, and says so to `tokenEndpoint`. */
export function json(response: ServerResponse, status: number, body: object, headers: object = {}): true {
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
  return true;
}
