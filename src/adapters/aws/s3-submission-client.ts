// The S3 client that puts submissions, apart from the clients of the functions: it runs on machines of our side, where
// credentials rotate and lines are thin, and `everpost sendmail` starts with it alone.

import { S3Client } from '@aws-sdk/client-s3';
import { submissionConnectMs, submissionStallMs } from '#core/limits.ts';
import { ownedBy } from './bucket-owner.ts';
import { type AwsSettings, common, overHttp } from './client-settings.ts';

/**
 * It puts submissions. One try alone: S3SubmissionStore tries again, because it knows what the next answer means. No
 * timeout for a whole request, which may be 40 MB over a thin line; a connection on which nothing moves is given up.
 * `credentials: null` asks the SDK's provider chain: on an operator's machine they may rotate.
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
