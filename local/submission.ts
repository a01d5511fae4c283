// The submission port, until submission is built: it greets, and refuses every MAIL with a reply that says so. It never takes a
// message, so nobody can take it for a way out that works.

import { type Answer, type FrontDoor, openFrontDoor } from './front-door.ts';

const NOT_BUILT: Answer = { code: 554, status: '5.3.2', text: 'Submission is not built yet: nothing was accepted' };

/** Listens on 127.0.0.1. Rejects when the port is taken. */
export function openSubmission(port: number, host: string): Promise<FrontDoor> {
  const door = {
    mail: () => NOT_BUILT,
    rcpt: () => NOT_BUILT,
    open: () => ({ write: () => undefined, commit: async () => NOT_BUILT, abort: async () => {} }),
  };
  return openFrontDoor({ port, host, door, log: () => {} });
}
