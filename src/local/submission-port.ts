// The submission port: the product's own gateway against the emulated S3. instance.ts opens it. Each submitter has one
// role with the template's managed policy and nothing else. With no submitters configured it greets, and refuses every
// MAIL with a reply that says so.

import { join } from 'node:path';
import { s3SubmissionClient } from '#adapters/aws/s3-submission-client.ts';
import { S3SubmissionStore } from '#adapters/aws/s3-submission-store.ts';
import { UlidNames } from '#adapters/ulid-names.ts';
import type { Deployed } from '#aws-local/cloudformation/deploy.ts';
import type { Emulators } from '#aws-local/emulators.ts';
import { type Answer, openFrontDoor } from '#aws-local/ses/inbound-smtp.ts';
import type { Settings } from '#config/settings.ts';
import { submitterOutput } from '#core/submission/submission.ts';
import { FileSecrets } from '#gateway/file-secrets.ts';
import { LoginGuard } from '#gateway/login-guard.ts';
import { submissionServer } from '#gateway/server.ts';
import { SubmissionSpace } from '#gateway/space.ts';
import { certificateOf } from './certificate.ts';

export type Submission = { readonly port: number; close(): Promise<void> };

/** A stop waits this long for messages in progress: a client without an answer sends again. */
const FAREWELL_MS = 5_000;

/** Listens on 127.0.0.1. Rejects when the port is taken. */
export async function openSubmission(given: {
  readonly port: number;
  readonly settings: Settings;
  readonly emulators: Emulators;
  readonly deployed: Deployed;
  readonly bucket: string | null;
  readonly secretsFile: string | null;
  readonly dataFolder: string;
  readonly log: (line: string) => void;
}): Promise<Submission> {
  const { settings, emulators, bucket, secretsFile, log } = given;
  const names = Object.keys(settings.submitters);
  if (names.length === 0 || bucket === null) return refuseSubmission(given.port, settings.host);
  const stores = new Map(names.map((name) => [name, storeOf(name, bucket, given)]));
  const { clock } = emulators;
  const server = submissionServer({
    settings,
    clients: new LoginGuard(
      settings.submitters,
      secretsFile === null ? noSecrets : new FileSecrets(secretsFile),
      clock,
    ),
    tls: certificateOf(given.dataFolder, settings.host, Date.now()),
    allowPlainAuth: true, // 127.0.0.1 only
    storeOf: (name) => {
      const store = stores.get(name);
      if (store === undefined) throw new Error(`no submitter is called ${name}`);
      return store;
    },
    space: new SubmissionSpace(join(given.dataFolder, 'submission')),
    names: new UlidNames(clock),
    clock,
    log: (event, fields) => log(`${event} ${JSON.stringify(fields)}`),
    limits: { farewellMs: FAREWELL_MS },
  });
  const port = await server.listen({ host: '127.0.0.1', port: given.port, implicitTls: false });
  return { port, close: server.stop };
}

/** Under the submitter's own policy: a permission missing from the template fails here as it would in AWS. */
function storeOf(
  submitter: string,
  bucket: string,
  { emulators, deployed }: { readonly emulators: Emulators; readonly deployed: Deployed },
): S3SubmissionStore {
  const { iam, keys, front, world } = emulators;
  const policyArn = deployed.outputs[`${submitterOutput(submitter)}PolicyArn`] ?? '';
  const arn = `arn:${world.partition}:iam::${world.account}:role/submitter-${submitter}`;
  iam.setRole(
    arn,
    [iam.managedPolicy(policyArn)].filter((document) => document !== null),
  );
  const credentials = keys.issue({ kind: 'role', arn, functionName: null });
  return new S3SubmissionStore(
    s3SubmissionClient({ region: world.region, credentials, endpoint: front.endpoint, account: world.account }),
    bucket,
  );
}

const noSecrets = {
  credentials: () => Promise.reject(new Error('there is none: start with --secrets FILE')),
  forget: () => {},
};

const NO_SUBMITTERS: Answer = {
  code: 554,
  status: '5.3.2',
  text: 'The configuration has no submitters: nothing was accepted',
};

/** Takes nothing, and says why. */
export function refuseSubmission(port: number, host: string): Promise<Submission> {
  const door = {
    mail: () => NO_SUBMITTERS,
    rcpt: () => NO_SUBMITTERS,
    open: () => ({ write: () => undefined, commit: async () => NO_SUBMITTERS, abort: async () => {} }),
  };
  return openFrontDoor({ port, host, door, log: () => {} });
}
