/** The next steps of one incident, for staff in the street. */
import { getCase, sendAction, type CaseFile } from '../console/casefile';
import type { Disposition } from '../console/transitions';
import type { Incident, Status } from '../feed/protocol';
import type { May } from '../ui/may';

export const ACTIONS = ['verify', 'start', 'resolve', 'reject'] as const;
export type Action = (typeof ACTIONS)[number];

/** The next steps that the table of transitions allows, and that whoever looks may take. */
export function actionsFor(status: Status, may: May): readonly Action[] {
  return nextSteps(status).filter((action) => may[action] !== undefined);
}

function nextSteps(status: Status): readonly Action[] {
  switch (status) {
    case 'new':
      return ['verify', 'reject'];
    case 'verified':
      return ['start', 'resolve', 'reject'];
    case 'in_progress':
      return ['resolve', 'reject'];
    default:
      return [];
  }
}

export const getDetails = getCase;

export function act(incident: Incident, action: Action, words: string, disposition: Disposition | null): Promise<CaseFile> {
  return sendAction(incident.id, { action, version: incident.version, words, agency: null, ...(disposition !== null && { disposition }) });
}
