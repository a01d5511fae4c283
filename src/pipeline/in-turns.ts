// Runs many pieces of work, a few at a time: hundreds of calls must run neither one after the other nor all at once. It
// begins no further piece once the signal says that time is short, and never hides a failure.

/** Results in no order. The first failure is thrown when all that had begun has ended. */
export async function inTurns<In, Out>(
  inputs: readonly In[],
  atOnce: number,
  run: (input: In) => Promise<Out>,
  signal: AbortSignal,
): Promise<Out[]> {
  const results: Out[] = [];
  let at = 0;
  const worker = async () => {
    for (let index = at++; index < inputs.length && !signal.aborted; index = at++) {
      results.push(await run(inputs[index] as In));
    }
  };
  const ended = await Promise.allSettled(Array.from({ length: Math.min(atOnce, inputs.length) }, worker));
  const failure = ended.find((end) => end.status === 'rejected');
  if (failure !== undefined) throw failure.reason;
  return results;
}
