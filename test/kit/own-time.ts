// The processor time that this process alone has taken: what a test of "in no time" measures, since the time on the
// wall is that of every other program too. Called by unit tests.

/** Milliseconds of its own code since `before`, an earlier result of `process.cpuUsage()`. */
export function ownMsSince(before: NodeJS.CpuUsage): number {
  return process.cpuUsage(before).user / 1_000;
}
