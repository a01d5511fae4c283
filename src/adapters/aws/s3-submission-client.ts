// The S3 client that stores submissions, for `everpost sendmail`, the gateway and the local runtime. It is apart from
// the clients of the functions: it runs on the operator's machines, where credentials rotate and bandwidth is small,
// and `everpost sendmail` loads it alone.

import { S3Client } from '@aws-sdk/client-s3';
import { submissionConnectMs, submissionStallMs } from '#core/limits.ts';
import { ownedBy } from './bucket-owner.ts';
import { type AwsSettings, common, overHttp } from './client-settings.ts';

/**
 * It puts submissions. It tries once: S3SubmissionStore tries again, because it knows what the next answer means. There
 * is no timeout for a whole request, which may be 40 MB over a slow line; it gives up a connection on which no byte
 * moves. `credentials: null` uses the SDK's provider chain: on an operator's machine they may rotate.
 */
export function s3SubmissionClient(
  settings: Omit<AwsSettings, 'credentials'> & { readonly credentials: AwsSettings['credentials'] | null },
  stallMs: number = submissionStallMs,
): S3Client {
  const { credentials, ...rest } = settings;
  const { requestHandler, extensions } = overHttp({ requestTimeoutMs: 0, socketsMax: 64 });
  const client = new S3Client({
    ...common({ ...rest, credentials: credentials ?? undefined }),
    requestHandler: { ...requestHandler, connectionTimeout: submissionConnectMs, socketTimeout: stallMs },
    extensions,
    maxAttempts: 1,
    logger: silent,
    forcePathStyle: settings.endpoint !== undefined,
    requestChecksumCalculation: 'WHEN_REQUIRED',
    responseChecksumValidation: 'WHEN_REQUIRED',
    followRegionRedirects: false,
    disableS3ExpressSessionAuth: true,
    useArnRegion: false,
    sigv4aSigningRegionSet: async () => undefined,
  });
  return ownedBy(client, settings.account ?? null);
}

/** The SDK warns on the console that it does not try a stream again; S3SubmissionStore does. */
const silent = { trace() {}, debug() {}, info() {}, warn() {}, error() {} };
