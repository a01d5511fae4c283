// What a stage returns for a job that may be deleted: a value that says what became of it. There is no other way to a
// success, so a path that forgets its answer does not type-check, and cannot delete a job by accident.

declare const accounted: unique symbol;
export type Finished = { readonly became: string; readonly [accounted]: true };

/** The job is accounted for; `became` is a kebab-case word for the log. */
export function finished(became: string): Finished {
  return { became } as Finished;
}
