// Work on many things, a few at a time: a page of hundreds must neither run one after the other nor all at once.
// It decides nothing. When the signal says that time is short, what was not begun is left.

export async function inTurns<In, Out>(
  things: readonly In[],
  concurrency: number,
  run: (thing: In) => Promise<Out>,
  signal: AbortSignal,
): Promise<Out[]> {
  const results: Out[] = [];
  const left = things.values();
  const worker = async () => {
    for (const thing of left) {
      if (signal.aborted) return;
      results.push(await run(thing));
    }
  };
  const ended = await Promise.allSettled(Array.from({ length: Math.min(concurrency, things.length) }, worker));
  const failure = ended.find((end) => end.status === 'rejected');
  if (failure !== undefined) throw failure.reason;
  return results;
}
