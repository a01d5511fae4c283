// The tool endpoints on the console's port (INTERFACES): health, faults, verdicts, clock, alarms, and what the command
// line needs to reach the running instance. instance.ts serves them. Loopback only: it refuses a request with any other
// Host or from a page of another origin, and a POST without a header that such a page cannot send.

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { AlarmReport } from '#aws-local/cloudwatch/cloudwatch.ts';
import { parseDuration } from '#config/values.ts';

/** What the command line needs to use the SDK adapters against this instance. */
export type EndpointReport = {
  readonly endpoint: string;
  readonly region: string;
  readonly credentials: {
    readonly accessKeyId: string;
    readonly secretAccessKey: string;
    readonly sessionToken: string;
  };
  readonly stackName: string;
  readonly tableName: string | null;
  readonly bucketName: string | null;
  /** Whose it is. */
  readonly account: string;
  /** URL by queue name. */
  readonly queues: Readonly<Record<string, string>>;
  /** The template's outputs. */
  readonly outputs: Readonly<Record<string, string>>;
};

export type ConsoleParts = {
  readonly health: () => unknown;
  readonly faults: { list(): unknown; add(posted: unknown): unknown; clear(): void };
  /** Throws with one line on a mistake in the posted body. */
  readonly verdicts: (posted: unknown) => unknown;
  readonly sesAccount: (posted: unknown) => unknown;
  /** `waitsFor`: the work in progress when the clock gave up on the way; empty where it arrived. */
  readonly advance: (ms: number) => Promise<{ readonly now: number; readonly waitsFor?: readonly string[] }>;
  readonly alarms: () => readonly AlarmReport[];
  /** Calls that the policies refused, and permissions requested and granted: for checks of least privilege. */
  readonly permissions: () => { readonly denied: unknown; readonly used: unknown };
  readonly endpoint: () => EndpointReport;
};

export type Console = {
  readonly port: number;
  readonly url: string;
  serve(parts: ConsoleParts): void;
  /** Until it is served again every request is answered 503 with this. */
  suspend(report: Suspended): void;
  close(): Promise<void>;
};
export type Suspended = { readonly status: 'starting' | 'storage-failed'; readonly error: string };

const BODY_BYTES_MAX = 1_048_576; // a fault or a verdict; anything larger is a mistake

/** Listens at once; answers 503 until `serve` gives it something to say. Rejects when the port is taken. */
export async function openConsole(port: number): Promise<Console> {
  let parts: ConsoleParts | null = null;
  let suspended: Suspended | null = { status: 'starting', error: 'starting' };
  const server = createServer((request, response) => {
    answer(request, response, parts, suspended).catch((error: Error) => send(response, 500, { error: error.message }));
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, '127.0.0.1', resolve);
  });
  const bound = (server.address() as AddressInfo).port;
  return {
    port: bound,
    url: `http://127.0.0.1:${bound}`,
    serve(given) {
      parts = given;
      suspended = null;
    },
    suspend(report) {
      suspended = report;
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  parts: ConsoleParts | null,
  suspended: Suspended | null,
): Promise<void> {
  const refusal = foreign(request);
  if (refusal !== null) return send(response, 403, { error: refusal });
  const { pathname } = new URL(request.url ?? '/', 'http://127.0.0.1');
  if (suspended !== null || parts === null) return send(response, 503, suspended);
  const route = `${request.method} ${pathname}`;
  switch (route) {
    case 'GET /health':
      return send(response, 200, parts.health());
    case 'GET /faults':
      return send(response, 200, parts.faults.list());
    case 'POST /faults':
      return accept(request, response, 201, (posted) => parts.faults.add(posted));
    case 'DELETE /faults':
      parts.faults.clear();
      return send(response, 200, []);
    case 'POST /verdicts':
      return accept(request, response, 200, (posted) => parts.verdicts(posted));
    case 'POST /ses-account':
      return accept(request, response, 200, (posted) => parts.sesAccount(posted));
    case 'POST /clock':
      return accept(request, response, 200, (posted) => moveClock(parts, posted, response));
    case 'GET /permissions':
      return send(response, 200, parts.permissions());
    case 'GET /alarms':
      return send(response, 200, parts.alarms());
    case 'GET /endpoint':
      return send(response, 200, parts.endpoint());
  }
  send(response, 404, { error: `nothing answers ${route}` });
}

/**
 * A clock that gave up on the way is 503, with the work that it waits for and its instant. The same call again
 * continues from there.
 */
async function moveClock(parts: ConsoleParts, posted: unknown, response: ServerResponse): Promise<unknown> {
  const { advance } = (posted ?? {}) as { advance?: unknown };
  const ms = typeof advance === 'string' ? advanceMs(advance) : null;
  if (ms === null) throw new Error('advance must be a duration such as "15m"');
  const reached = await parts.advance(ms);
  const now = new Date(reached.now).toISOString();
  const waitsFor = reached.waitsFor ?? [];
  if (waitsFor.length > 0) {
    const error = `the clock stands at ${now} and still waits for ${waitsFor.slice(0, WAITS_SAID_MAX).join(', ')}`;
    send(response, 503, { error, now, waitsFor });
  }
  return { now };
}
const WAITS_SAID_MAX = 5; // the list has them all

/** As in the configuration, and zero: only work that is due already. */
function advanceMs(text: string): number | null {
  return /^0[smhd]$/.test(text) ? 0 : parseDuration(text);
}

/** Reads JSON and does the work; a mistake in the posted body is the client's: 400 with one line. */
async function accept(
  request: IncomingMessage,
  response: ServerResponse,
  statusCode: number,
  work: (posted: unknown) => unknown,
): Promise<void> {
  try {
    send(response, statusCode, (await work(JSON.parse(await bodyOf(request)))) ?? {});
  } catch (error) {
    send(response, 400, { error: error instanceof Error ? error.message : String(error) });
  }
}

async function bodyOf(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > BODY_BYTES_MAX) throw new Error('the body is too large');
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

const LOOPBACK = /^(127\.0\.0\.1|localhost|\[::1\])(:\d+)?$/i;

/**
 * The reason of a refusal, or null. A name that a stranger points at loopback (DNS rebinding) shows in Host. A page
 * elsewhere that posts to us shows in Origin, another port of this machine included; and it cannot send this
 * Content-Type without a preflight request (Fetch §3.3, CORS), which gets no answer.
 */
function foreign(request: IncomingMessage): string | null {
  const { host, origin } = request.headers;
  if (host === undefined || !LOOPBACK.test(host)) return 'this console answers on 127.0.0.1 only';
  if (origin !== undefined && origin.toLowerCase() !== `http://${host.toLowerCase()}`)
    return 'this console answers no page of another origin';
  const type = (request.headers['content-type'] ?? '').split(';')[0]?.trim().toLowerCase();
  if (request.method === 'POST' && type !== 'application/json')
    return "POST wants the field Content-Type: application/json, which a page elsewhere cannot send (curl: -H 'content-type: application/json')";
  return null;
}

function send(response: ServerResponse, statusCode: number, body: unknown): void {
  if (response.headersSent) return;
  response.writeHead(statusCode, {
    'content-type': 'application/json',
    'cache-control': 'no-store',
    'x-content-type-options': 'nosniff',
  });
  response.end(`${JSON.stringify(body)}\n`);
}
