// What a deployed function is given: its environment, and the settings bundled beside it. Read once, when the function
// starts. A wrong deploy fails at the function's start, with the name of the missing variable, and not at its first
// message.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Settings } from '#config/settings.ts';

export type FunctionConfig = {
  readonly settings: Settings;
  readonly table: string;
  readonly bucket: string;
  readonly relayQueueUrl: string;
  /** Where relay's jobs for next hops wait that are slow or take nothing. */
  readonly slowRelayQueueUrl: string;
  /** Also of bounce's jobs. */
  readonly feedbackQueueUrl: string;
  /** The ARN of SRS's secret; null where no action uses SRS. */
  readonly srsSecret: string | null;
  /** For the search for orphans null where nobody submits. */
  readonly ingestQueueUrl: string | null;
  /** Of queues whose dead letters the sweep counts: of what enters, and of all further work. */
  readonly entryDeadLettersUrls: readonly string[];
  readonly workDeadLettersUrls: readonly string[];
  /** The ARN of the secret that signs our marks. */
  readonly markSecret: string;
  /** The key of marks before there was that secret, and where it cannot be read. */
  readonly stackId: string;
  /** Divides leases and thresholds in the local runtime; 1 when deployed. */
  readonly timeScale: number;
};

/** The environment of this function. Only variables that it uses are read. */
export const config = {
  get settings(): Settings {
    return settingsOnce();
  },
  get table(): string {
    return required('EVERPOST_TABLE');
  },
  get bucket(): string {
    return required('EVERPOST_BUCKET');
  },
  get relayQueueUrl(): string {
    return required('EVERPOST_RELAY_QUEUE_URL');
  },
  get slowRelayQueueUrl(): string {
    return required('EVERPOST_SLOW_RELAY_QUEUE_URL');
  },
  get feedbackQueueUrl(): string {
    return required('EVERPOST_FEEDBACK_QUEUE_URL');
  },
  get srsSecret(): string | null {
    return process.env.EVERPOST_SRS_SECRET ?? null;
  },
  get ingestQueueUrl(): string | null {
    return process.env.EVERPOST_INGEST_QUEUE_URL ?? null;
  },
  get entryDeadLettersUrls(): readonly string[] {
    return required('EVERPOST_ENTRY_DEAD_LETTERS').split(' ');
  },
  get workDeadLettersUrls(): readonly string[] {
    return required('EVERPOST_WORK_DEAD_LETTERS').split(' ');
  },
  get markSecret(): string {
    return required('EVERPOST_MARK_SECRET');
  },
  get stackId(): string {
    return required('EVERPOST_STACK_ID');
  },
  get timeScale(): number {
    const scale = Number(process.env.EVERPOST_TIME_SCALE ?? '1');
    return scale >= 1 ? scale : 1;
  },
} as const satisfies FunctionConfig;

let settings: Settings | null = null;
function settingsOnce(): Settings {
  // The bundle is CommonJS: its own folder holds config.json, written with it.
  settings ??= JSON.parse(readFileSync(join(__dirname, 'config.json'), 'utf8')) as Settings;
  return settings;
}

function required(name: string): string {
  const value = process.env[name];
  return value === undefined || value === '' ? missing(name) : value;
}

export function missing(name: string): never {
  throw new Error(`the function's environment lacks ${name}: deploy the stack again`);
}
