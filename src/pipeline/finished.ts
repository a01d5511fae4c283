// What a stage returns for a job that may be deleted: a value that says the result. A stage has no other way to
// succeed, so a path that forgets its result does not type-check and cannot delete a job by accident.

declare const accounted: unique symbol;
export type Finished = {
  readonly became: string;
  /** Nothing was attempted: its place is free at once. */
  readonly turnedAway?: true;
  readonly [accounted]: true;
};

/** The job is accounted for; `became` is a kebab-case word for the log. */
export function finished(became: string): Finished {
  return { became } as Finished;
}

/** The same, for a job whose next hop is not attempted here and now. */
export function turnedAway(became: string): Finished {
  return { became, turnedAway: true } as Finished;
}
