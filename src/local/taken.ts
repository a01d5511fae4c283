// The error for a port that cannot be opened: it names the port and a remedy that works. runtime.ts and instance.ts use
// it. It opens nothing itself.

/** For `.catch` of code that listens. `remedy` is what to do beside ending the process that has the port. */
export function taken(port: number, remedy: string): (error: NodeJS.ErrnoException) => never {
  return (error) => {
    if (error.code === 'EADDRINUSE')
      throw new Error(`the port ${port} is taken by another process: end that process, or ${remedy}`);
    if (error.code === 'EACCES') throw new Error(`the port ${port} may not be opened by this user: ${remedy}`);
    throw error;
  };
}

/** Flags of `npm start` come after two hyphens. */
export const another = (flag: string): string => `choose another port with npm start -- ${flag} N (0 takes a free one)`;
