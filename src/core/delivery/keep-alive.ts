// The event of relay's hourly call: it keeps relay ready in a VPC, and has it read the client certificates of next
// hops. A schedule sends it (infra/keep-alive.ts), and relay tells it from a queue's event (lambdas/stage.ts). It
// touches no row. Pure.

/** The event that the schedule sends in place of a queue's event. */
export const keepAliveEvent = { everpost: 'keep-alive' } as const;

export function isKeepAlive(event: unknown): event is typeof keepAliveEvent {
  return typeof event === 'object' && event !== null && 'everpost' in event && event.everpost === 'keep-alive';
}
