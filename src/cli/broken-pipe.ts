// Handles a closed output pipe, as after `| head`. Every program here calls it. The program goes on, and its exit code
// says how its work ended. Any other error of a stream remains an error.

type Stream = { on(event: 'error', listener: (error: Error & { readonly code?: string }) => void): unknown };

/** For standard output and standard error. */
export function passOverBrokenPipe(...streams: readonly Stream[]): void {
  for (const stream of streams)
    stream.on('error', (error) => {
      if (error.code !== 'EPIPE' && error.code !== 'ERR_STREAM_DESTROYED') throw error;
    });
}
