// The HTTP endpoint of the emulated AWS, on 127.0.0.1. It reads the access key and the service from the signature
// (SigV4) and gives the request to that service; a request without a signature goes to the added routes. It never
// verifies a signature and never decides on permission: the gate does.

import { randomUUID } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import {
  AwsError,
  type HttpCall,
  type HttpService,
  ResponseLost,
  type ServiceName,
  serviceNames,
  type VirtualClock,
} from '../world.ts';
import type { Keys } from './access-keys.ts';

/** A route that is no AWS service. True when it took the request and will answer it. */
export type Route = (request: IncomingMessage, response: ServerResponse, url: URL) => boolean;

export type Front = {
  /** 'http://127.0.0.1:PORT' once it listens. */
  readonly endpoint: string;
  add(service: HttpService): void;
  addRoute(route: Route): void;
  close(): Promise<void>;
};

/** The name in a SigV4 scope where it is not ours. */
const signingNames: Readonly<Record<string, ServiceName>> = { monitoring: 'cloudwatch' };

/** Listens on 127.0.0.1:`port` (0 takes a free one). Rejects when the port is taken. */
export async function openFront(parts: {
  readonly port: number;
  readonly keys: Keys;
  readonly clock: VirtualClock;
  readonly log: (line: string) => void;
}): Promise<Front> {
  const { keys, clock, log } = parts;
  const services = new Map<string, HttpService>();
  const routes: Route[] = [];
  const server = createServer((request, response) => {
    serve(request, response).catch((error: unknown) => {
      log(`front: ${request.method} ${request.url}: ${describe(error)}`);
      response.destroy();
    });
  });
  // SDK clients keep connections for minutes; closing one as they reuse it would look like a fault of our own.
  server.keepAliveTimeout = 600_000;
  server.requestTimeout = 0; // a 40 MB upload under a debugger may take its time
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(parts.port, '127.0.0.1', resolve);
  });
  const { port } = server.address() as AddressInfo;

  return {
    endpoint: `http://127.0.0.1:${port}`,
    add(service) {
      services.set(service.name, service);
    },
    addRoute(route) {
      routes.push(route);
    },
    async close() {
      server.closeAllConnections();
      await new Promise<void>((resolve) => server.close(() => resolve()));
    },
  };

  async function serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const requestId = randomUUID();
    // Workers live in virtual time; the SDK compares its clock with this field.
    response.sendDate = false;
    response.setHeader('date', new Date(clock.now()).toUTCString());
    response.setHeader('x-amzn-requestid', requestId);
    if (!isLoopback(request.headers.host)) return refuse(request, response, 403, 'this endpoint is 127.0.0.1 only');
    const url = new URL(request.url ?? '/', 'http://127.0.0.1');
    const scope = readScope(request, url);
    if (scope === null) {
      if (routes.some((route) => route(request, response, url))) return;
      return refuse(request, response, 403, 'MissingAuthenticationToken: the request is not signed (SigV4)');
    }
    const service = services.get(scope.service);
    if (service === undefined) {
      return refuse(request, response, 501, `NotImplemented: the service "${scope.service}" is not emulated`);
    }
    await serveSigned(service, scope, { request, response, url, requestId });
  }

  async function serveSigned(
    service: HttpService,
    scope: Scope,
    parts: Pick<HttpCall, 'request' | 'response' | 'url' | 'requestId'>,
  ): Promise<void> {
    const { request, response } = parts;
    const holder = keys.holder(scope.accessKeyId);
    const call: HttpCall = { ...parts, ...(holder ?? {}), principal: holder?.principal ?? nobody };
    try {
      if (holder === undefined) throw unknownKey(service.name);
      if (scope.sessionToken !== holder.sessionToken) throw unknownToken(service.name);
      await service.serve(call);
    } catch (error) {
      if (error instanceof ResponseLost || response.headersSent || request.socket.destroyed) {
        if (!(error instanceof ResponseLost) && !request.socket.destroyed) log(`${service.name}: ${describe(error)}`);
        request.socket.destroy();
        return;
      }
      const known = error instanceof AwsError;
      if (!known) log(`${service.name}: ${describe(error)}`);
      // An SDK that is still sending its body hangs unless the body is read.
      request.resume();
      service.fail(call, known ? error : new AwsError('InternalError', 500, 'We encountered an internal error.'));
    }
  }
}

/** Stands where a principal is wanted although the key is unknown: no policy matches it. */
const nobody = { kind: 'service', name: 'unknown' } as const;

type Scope = { readonly accessKeyId: string; readonly service: string; readonly sessionToken: string | null };

/** SigV4: `Credential=KEY/date/region/service/aws4_request` in the Authorization field, or in a presigned query. */
function readScope(request: IncomingMessage, url: URL): Scope | null {
  const header = /^AWS4-HMAC-SHA256 .*?Credential=([^,\s]+)/.exec(request.headers.authorization ?? '')?.[1];
  const credential = header ?? url.searchParams.get('X-Amz-Credential');
  if (credential === null) return null;
  const [accessKeyId = '', , , signingName = ''] = credential.split('/');
  const token =
    header === undefined ? url.searchParams.get('X-Amz-Security-Token') : request.headers['x-amz-security-token'];
  const service = signingNames[signingName] ?? serviceNames.find((name) => name === signingName) ?? signingName;
  return { accessKeyId, service, sessionToken: typeof token === 'string' ? token : null };
}

function unknownKey(service: ServiceName): AwsError {
  return service === 's3'
    ? new AwsError('InvalidAccessKeyId', 403, 'The AWS Access Key Id you provided does not exist in our records.')
    : unknownToken(service);
}

function unknownToken(service: ServiceName): AwsError {
  if (service === 's3')
    return new AwsError('InvalidToken', 400, 'The provided token is malformed or otherwise invalid.');
  const json = service === 'dynamodb' || service === 'secretsmanager';
  return new AwsError(
    json ? 'UnrecognizedClientException' : 'InvalidClientTokenId',
    json ? 400 : 403,
    'The security token included in the request is invalid.',
  );
}

/** A page in a browser must not reach us under a name that its owner points at loopback. */
function isLoopback(host: string | undefined): boolean {
  return host !== undefined && /^(127\.0\.0\.1|localhost|\[::1\])(:\d+)?$/i.test(host);
}

function refuse(request: IncomingMessage, response: ServerResponse, statusCode: number, text: string): void {
  request.resume();
  response.writeHead(statusCode, { 'content-type': 'text/plain' });
  response.end(`${text}\n`);
}

function describe(error: unknown): string {
  return error instanceof Error ? (error.stack ?? error.message) : String(error);
}
