// The access keys of this run. A key names its principal: a role's worker gets one when it starts, and whoever signs with it is
// that role. Keys live as long as the process; signatures are not verified, because only loopback can reach the endpoint.

import { randomBytes } from 'node:crypto';
import type { Principal } from '../world.ts';

export type AccessKey = {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken: string;
};
export type KeyHolder = {
  readonly principal: Principal;
  readonly sessionToken: string;
  readonly kill?: () => void;
};

export type Keys = {
  /** @param kill ends the worker that holds the key (fault effect `kill`) */
  issue(principal: Principal, kill?: () => void): AccessKey;
  revoke(accessKeyId: string): void;
  holder(accessKeyId: string): KeyHolder | undefined;
};

export function createKeys(): Keys {
  const holders = new Map<string, KeyHolder>();
  return {
    issue(principal, kill) {
      const accessKeyId = `ASIA${randomBytes(8).toString('hex').toUpperCase()}`;
      const secretAccessKey = randomBytes(30).toString('base64');
      const sessionToken = randomBytes(48).toString('base64');
      holders.set(accessKeyId, { principal, sessionToken, ...(kill === undefined ? {} : { kill }) });
      return { accessKeyId, secretAccessKey, sessionToken };
    },
    revoke(accessKeyId) {
      holders.delete(accessKeyId);
    },
    holder: (accessKeyId) => holders.get(accessKeyId),
  };
}
