// What a program does when nobody reads its output any more, as after `| head`: nothing. Its work goes on, and its exit
// code stays what its work was. Any other error of a stream is one.

type Stream = { on(event: 'error', listener: (error: Error & { readonly code?: string }) => void): unknown };

/** For standard output and standard error. */
export function passOverBrokenPipe(...streams: readonly Stream[]): void {
  for (const stream of streams)
    stream.on('error', (error) => {
      if (error.code !== 'EPIPE' && error.code !== 'ERR_STREAM_DESTROYED') throw error;
    });
}
