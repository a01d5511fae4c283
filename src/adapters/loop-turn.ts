// Waits one turn of the event loop, so that its caller sees what the network has brought: a reply, or the end of a kept
// connection. Called by wire.ts and kept-sockets.ts. It waits for nothing else, and reads nothing itself.

/**
 * When it settles, the event loop has polled the network at least once: of two immediates the second comes behind a
 * poll.
 */
export async function turnOfTheLoop(): Promise<void> {
  for (let i = 0; i < 2; i++) await new Promise<void>((resolve) => setImmediate(resolve));
}
