// Mutations of core/: see run.ts.

import type { Mutation } from './mutation.ts';

export const coreMutations: readonly Mutation[] = [];
