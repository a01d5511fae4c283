// Starts emulators behind the real front, gate and IAM in a folder of their own, for their tests. Never opens a fixed port.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createClock, type LocalClock } from '#local/clock.ts';
import { createFaults, type Faults } from '#local/faults.ts';
import { openFront } from '#local/front.ts';
import { createGate } from '#local/gate.ts';
import { createIam, type Iam } from '#local/iam.ts';
import { type AccessKey, createKeys } from '#local/keys.ts';
import type { HttpService, Principal, World } from '#local/world.ts';

export type EmulatedAws = {
  readonly world: World;
  readonly clock: LocalClock;
  readonly faults: Faults;
  readonly iam: Iam;
  readonly endpoint: string;
  readonly credentials: AccessKey;
  /** Credentials of a role with these statements. */
  role(name: string, statements: readonly unknown[]): AccessKey;
  add(service: HttpService): void;
  close(): Promise<void>;
};

/** `dataFolder` outlives `close` only when it is given. */
export async function emulateAws(dataFolder?: string): Promise<EmulatedAws> {
  const account = '000000000000';
  const folder = dataFolder ?? mkdtempSync(join(tmpdir(), 'everpost-aws-'));
  const clock = createClock();
  const faults = createFaults();
  const iam = createIam(account);
  const keys = createKeys();
  const gate = createGate({ faults, iam, clock, timeScale: 1 });
  const front = await openFront({ port: 0, keys, clock, log: () => undefined });
  const world: World = {
    account,
    region: 'eu-west-1',
    partition: 'aws',
    clock,
    gate,
    timeScale: 1,
    dataFolder: folder,
    log: () => undefined,
  };
  return {
    world,
    clock,
    faults,
    iam,
    endpoint: front.endpoint,
    credentials: keys.issue({ kind: 'root' }),
    role: (name, statements) => {
      const principal: Principal = { kind: 'role', arn: `arn:aws:iam::${account}:role/${name}`, functionName: null };
      iam.setRole(principal.arn, [{ Version: '2012-10-17', Statement: statements }]);
      return keys.issue(principal);
    },
    add: (service) => front.add(service),
    close: async () => {
      clock.close();
      await front.close();
      if (dataFolder === undefined) rmSync(folder, { recursive: true, force: true });
    },
  };
}
