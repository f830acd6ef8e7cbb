/** What this server offers to whoever works here: its table of transitions, and what they may. Pure but for reading it. */
import { getJson, ProblemError } from '../feed/http';
import type { Incident } from '../feed/protocol';
import { whoAmI } from '../login/session';
import type { May } from '../ui/may';
import type { CaseFile } from './casefile';
import { ACTIONS, BULK_ACTIONS, buttonOrder, decodeTable, isOpen, permissionOf, PLAIN_TABLE, type Action, type BulkAction, type Table } from './transitions';

/** Whoever works here. */
export interface Worker {
  readonly name: string;
  /** As the server names it. */
  readonly role: string;
  /** Is told what is late once it is the head's. */
  readonly head: boolean;
  readonly may: May;
  /** Of those whose incidents are an agency's. */
  readonly agency: string | null;
}

/** `four_eyes`: allowed, but not to the one who took the step before. */
export type Verdict = 'yes' | 'no' | 'four_eyes';

export class Offer {
  constructor(
    readonly table: Table,
    readonly worker: Worker,
  ) {}

  /** Whether they may do it to anything at all. */
  has(permission: string): boolean {
    return this.worker.may[permission] !== undefined;
  }

  /** What is no action of the table, such as adding a photo. */
  allows(permission: string, incident: Incident): boolean {
    return this.owns(permission, incident);
  }

  /** `file` is all that is known of the incident; without it, what the queue knows must do. */
  verdict(action: Action, incident: Incident, file: CaseFile | null): Verdict {
    if (!this.owns(permissionOf(action), incident) || file?.joined === true) return 'no';
    if (this.table.leadsTo(action, incident.status) === null || !possible(action, incident, file)) return 'no';
    return this.table.fourEyes(action, incident.status) && tookStepBefore(this.worker.name, incident, file) ? 'four_eyes' : 'yes';
  }

  can(action: Action, incident: Incident, file: CaseFile | null = null): boolean {
    return this.verdict(action, incident, file) === 'yes';
  }

  /** As their buttons stand. Whoever may assign has no need of giving back: the key and the list of commands have it. */
  buttons(incident: Incident, file: CaseFile | null): readonly Action[] {
    return buttonOrder(incident.status).filter((action) => this.can(action, incident, file) && !(action === 'return' && this.can('assign', incident, file)));
  }

  /** For the list of commands: all that can be begun. */
  commands(incident: Incident, file: CaseFile | null): readonly Action[] {
    const extra: readonly Action[] = ['return', 'pause', 'resume', 'split', 'check'];
    return [...this.buttons(incident, file), ...extra.filter((action) => this.can(action, incident, file) && !this.buttons(incident, file).includes(action))];
  }

  /** For the help: what there is to press at all. */
  get actions(): readonly Action[] {
    return ACTIONS.filter((action) => action !== 'resume' && this.has(permissionOf(action)));
  }

  get bulk(): readonly BulkAction[] {
    return BULK_ACTIONS.filter((action) => this.has(action));
  }

  private owns(permission: string, incident: Incident): boolean {
    const reach = this.worker.may[permission];
    // Of areas only the server knows which are theirs; it shows no others.
    return reach === 'all' || (reach === 'own' && (this.worker.agency === null || incident.agency === this.worker.agency));
  }
}

/** What the table of statuses does not say. */
function possible(action: Action, incident: Incident, file: CaseFile | null): boolean {
  switch (action) {
    case 'split':
      return file !== null && file.merged.length > 0;
    case 'check':
      return file !== null && file.checklist.length > 0;
    case 'return':
      return incident.agency !== null;
    case 'pause':
      return isOpen(incident.status) && incident.clock !== undefined && incident.clock.state !== 'paused';
    case 'resume':
      return incident.clock?.state === 'paused';
    case 'confirm':
      return file?.confirmed == null;
    default:
      return true;
  }
}

function tookStepBefore(name: string, incident: Incident, file: CaseFile | null): boolean {
  const step = file?.steps.findLast(({ from, to, of }) => of === null && to === incident.status && from !== to);
  return step?.actor === name;
}

/** `null`: nobody is signed in. A server that does not tell its table has the plain one. */
export async function readOffer(): Promise<Offer | null> {
  const [me, table] = await Promise.all([whoAmI(), readTable()]);
  return me.signedIn ? new Offer(table, { name: me.name, role: me.role, head: me.head, may: me.may, agency: me.agency }) : null;
}

async function readTable(): Promise<Table> {
  try {
    return decodeTable(await getJson('/api/v1/transitions'));
  } catch (error) {
    if (error instanceof ProblemError && error.problem.status === 404) return PLAIN_TABLE;
    throw error;
  }
}
