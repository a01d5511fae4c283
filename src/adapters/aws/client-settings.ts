// The settings that all SDK clients here share, used by everything that makes a client. Every setting is given: the SDK
// looks nothing up in files or by a provider chain, and every call has a time limit. It imports no client, so that a
// program that needs one client does not load the others.

import { keptSocketsThatLive } from './kept-sockets.ts';
import type { RefusalPorts } from './refusals.ts';
import { Sha256 } from './sha256.ts';

export type AwsSettings = {
  readonly region: string;
  readonly credentials: {
    readonly accessKeyId: string;
    readonly secretAccessKey: string;
    readonly sessionToken?: string;
  };
  /** Where all services answer, when that is not AWS. */
  readonly endpoint?: string;
  /** The account that owns the buckets (adapters/aws/bucket-owner.ts): twelve digits. */
  readonly account?: string;
  /** A function's log and metrics, which are told of the calls that AWS refuses (adapters/aws/refusals.ts). */
  readonly refusals?: RefusalPorts;
};

export const connectTimeoutMs = 1_500; // inside one region a connection takes some milliseconds; a lost SYN is sent again after one second
const attemptsMax = 4;

export function overHttp(limits: { readonly requestTimeoutMs: number; readonly socketsMax: number }) {
  const agent = { keepAlive: true, maxSockets: limits.socketsMax };
  return {
    requestHandler: {
      connectionTimeout: connectTimeoutMs,
      requestTimeout: limits.requestTimeoutMs,
      throwOnRequestTimeout: true, // without it the SDK only warns
      socketTimeout: limits.requestTimeoutMs, // requestTimeout ends with the head; a body that stalls must end the call, too
      httpAgent: agent,
      httpsAgent: agent,
    },
    extensions: [keptSocketsThatLive],
  };
}

export function common({
  region,
  credentials,
  endpoint,
}: Omit<AwsSettings, 'credentials'> & { readonly credentials: AwsSettings['credentials'] | undefined }) {
  return {
    region,
    credentials,
    ...(endpoint === undefined ? {} : { endpoint }),
    sha256: Sha256,
    maxAttempts: attemptsMax,
    retryMode: 'standard',
    cacheMiddleware: true, // a command's middleware is put together once, not for each call
    // Each of the following would otherwise be looked for in the environment and in ~/.aws at the first call.
    defaultsMode: 'standard' as const,
    useDualstackEndpoint: false,
    useFipsEndpoint: false,
    authSchemePreference: ['sigv4'],
    userAgentAppId: async () => undefined,
    defaultUserAgentProvider: async () => [['everpost', '1'] as [string, string]],
  };
}
