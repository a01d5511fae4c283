// Mutations of local/: see run.ts.

import type { Mutation } from './mutation.ts';

export const localMutations: readonly Mutation[] = [];
