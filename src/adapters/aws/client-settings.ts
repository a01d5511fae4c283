// What all of the SDK's clients here have in common: every setting given, so that nothing is looked up in files or by a
// provider chain, and no call waits for ever. It imports no client: who needs one alone does not wait for the others to
// load.

import { keptSocketsThatLive } from './kept-sockets.ts';
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
  /** Whose buckets are meant (adapters/aws/bucket-owner.ts): twelve digits. */
  readonly account?: string;
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
