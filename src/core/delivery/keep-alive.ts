// The event that keeps relay ready in a VPC. A schedule sends it (infra/keep-alive.ts), and relay answers it before
// anything else (lambdas/stage.ts). It reads no secret, touches no row and is not counted. Pure.

/** The event that the schedule sends in place of a queue's event. */
export const keepAliveEvent = { everpost: 'keep-alive' } as const;

export function isKeepAlive(event: unknown): event is typeof keepAliveEvent {
  return typeof event === 'object' && event !== null && 'everpost' in event && event.everpost === 'keep-alive';
}
