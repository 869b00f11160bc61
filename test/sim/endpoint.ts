import type { ReasonName } from '../../src/core/errors.ts';
import { Budget } from '../../src/data/budget.ts';
import type { StripedPipe } from '../../src/io/pipe-striped.ts';
import { Trunk } from '../../src/io/trunk.ts';
import type { VirtualClock } from '../../src/loop/virtual-clock.ts';
import type { Lane } from '../../src/protocol/lane.ts';
import { createScheduler } from '../../src/protocol/scheduler.ts';
import { EndClock } from './end-clock.ts';
import type { WorldPlan } from './plan.ts';
import type { Random } from './random.ts';

export interface EndpointHandler {
  onOpen(pipe: StripedPipe, target: Uint8Array): void;
  onLaneEnd(lane: Lane, cause: string): void;
  onClosed(reason: ReasonName, detail: string): void;
}

/** One proxy: the real trunk and session on a clock of its own. */
export class Endpoint {
  readonly role: 'entry' | 'exit';
  readonly clock: EndClock;
  readonly budget: Budget;
  readonly trunk: Trunk;

  constructor(
    role: 'entry' | 'exit',
    clock: VirtualClock,
    random: Random,
    plan: WorldPlan,
    handler: EndpointHandler,
  ) {
    this.role = role;
    this.clock = new EndClock(clock, random);
    this.budget = new Budget(plan.sendBudget);
    this.trunk = new Trunk(
      {
        role,
        scheduler: createScheduler(plan.scheduler),
        sessionWindow: plan.sessionWindow,
        initialWindow: plan.initialWindow,
        peerSessionWindow: plan.sessionWindow,
        peerInitialWindow: plan.initialWindow,
        maxChannels: plan.maxChannels,
        sendBudget: this.budget,
      },
      this.clock,
      {
        onOpen: (pipe, target) => handler.onOpen(pipe, target),
        onLaneEnd: (lane, cause) => handler.onLaneEnd(lane, cause),
        onGoAway: () => {},
        onClosed: (reason, detail) => handler.onClosed(reason, detail),
      },
    );
  }

  get session(): Trunk['session'] {
    return this.trunk.session;
  }
}
