// The access keys of this run. A key belongs to a principal: the environment of a function gets a key of its role when
// it starts, and a request signed with the key comes from that role. Keys live as long as the process. Signatures are
// not verified, because only loopback reaches the endpoint.

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
