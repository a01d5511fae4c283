// The table of mutations, layer by layer.

import { adapterMutations } from './adapters.ts';
import { canaryMutations } from './canary.ts';
import { cliMutations } from './cli.ts';
import { configMutations } from './config.ts';
import { coreMutations } from './core.ts';
import { failureMutations } from './failures.ts';
import { infraMutations } from './infra.ts';
import { ingestMutations } from './ingest.ts';
import { lambdaMutations } from './lambdas.ts';
import { restoringMutations } from './ledger-restore.ts';
import { localMutations } from './local.ts';
import type { Mutation } from './mutation.ts';
import { nextHopMutations } from './next-hops.ts';
import { noticeMutations } from './notice.ts';
import { pauseMutations } from './pauses.ts';
import { pipelineMutations } from './pipeline.ts';
import { relayMutations } from './relay.ts';
import { smtpMutations } from './smtp.ts';
import { submissionServerMutations } from './submission-server.ts';
import { sweepMutations } from './sweeping.ts';

export const mutations: readonly Mutation[] = [
  ...configMutations,
  ...coreMutations,
  ...noticeMutations,
  ...relayMutations,
  ...failureMutations,
  ...nextHopMutations,
  ...ingestMutations,
  ...canaryMutations,
  ...pauseMutations,
  ...pipelineMutations,
  ...restoringMutations,
  ...sweepMutations,
  ...adapterMutations,
  ...smtpMutations,
  ...submissionServerMutations,
  ...lambdaMutations,
  ...infraMutations,
  ...cliMutations,
  ...localMutations,
];
