// The options of one run: the settings, the folders and the ports. main.ts and tests make them; runtime.ts and
// instance.ts read them.

import type { Settings } from '#config/settings.ts';

export type RuntimeOptions = {
  readonly settings: Settings;
  readonly dataFolder: string;
  /** 0 takes a free port. */
  readonly mxPort: number;
  readonly submissionPort: number;
  readonly consolePort: number;
  /** The file of --secrets, read at each call. */
  readonly secretsFile: string | null;
  readonly sweepEveryMs: number | null;
  /**
   * HOST:PORT of the SMTP server that gets the mail that SES sends; null or none: Maildir folders under the data
   * folder.
   */
  readonly sesOut?: string | null;
  /** Addresses and sub-domains that have an identity of their own at SES, beside the domains of the configuration. */
  readonly sesIdentities?: readonly string[];
  /** Asked at each call: those that SES has not verified any more. */
  readonly sesUnverified?: () => readonly string[];
  readonly timeScale: number;
  /** Whether the built-in next hop stands in where the configuration names it. */
  readonly demo: boolean;
  /** The lines for a person at the terminal. */
  readonly show: (line: string) => void;
  /** Another assembly than the one that the settings give: for tests that take something out of it. */
  readonly assemblyFolder?: string;
  /**
   * Asked before each commit and by each look at the disk; throws as a full disk does. For tests, which have no disk to
   * fill.
   */
  readonly beforeWrite?: () => void;
};
