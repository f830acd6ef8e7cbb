/** The words by which an incident is named on the screen. */
import type { Agency, Area, Category, City } from '../feed/city';
import type { Incident, Localized } from '../feed/protocol';
import type { Key, Words } from '../i18n';
import { isStep, type CaseFile, type Check, type Said, type Step } from './casefile';
import type { Action } from './transitions';

export function categoryOf(incident: Incident, city: City): Category | undefined {
  return city.categories.find(({ key }) => key === incident.category);
}

export function agencyOf(key: string | null, city: City): Agency | undefined {
  return city.agencies.find((agency) => agency.key === key);
}

export function nameOf(incident: Incident, city: City, words: Words): string {
  if (incident.title !== null) return words.pick(incident.title);
  const category = categoryOf(incident, city);
  return category === undefined ? incident.category : words.pick(category.name);
}

/** Village and district, as far as the city pack knows them. */
export function placeOf(incident: Incident, areas: readonly Area[]): string {
  const village = areas.find(({ code }) => code === incident.area);
  const district = areas.find(({ code }) => code === village?.parent);
  return [village?.name, district?.level === 'district' ? district.name : undefined].filter((name) => name !== undefined).join(', ');
}

/** Why its agency has it: nothing where somebody gave it to another one than the city pack. */
export function whyHas(incident: Incident, file: CaseFile | null): Localized | null {
  const routing = file?.routing ?? null;
  return routing !== null && routing.agency !== null && routing.agency === incident.agency ? routing.why : null;
}

/** "Tetap tolak", "Reject anyway". */
export function anywayName(action: Action, words: Words): string {
  const name = words.t(`console.act.${action}`);
  return words.t('console.conflict.anyway', { action: words.lang === 'id' ? name.toLocaleLowerCase('id') : name });
}

const STEPS: Readonly<Record<string, Key>> = {
  verify: 'console.step.verify',
  assign: 'console.step.assign',
  start: 'console.step.start',
  resolve: 'console.step.resolve',
  reject: 'console.step.reject',
  reopen: 'console.step.reopen',
  note: 'console.step.note',
  answer: 'console.step.answer',
  return: 'console.step.return',
  confirm: 'console.step.confirm',
  pause: 'console.step.pause',
  resume: 'console.step.resume',
  photo: 'console.step.photo',
  release: 'console.step.release',
  withdraw: 'console.step.withdraw',
};

/** One line of the history. `checks`: the checklist, for the names of its steps. */
export function stepName(one: Step | Said, city: City, words: Words, checks: readonly Check[] = []): string {
  if (!isStep(one)) return words.t('console.step.report');
  const short = (key: string | null): string => {
    const agency = agencyOf(key, city);
    return agency === undefined ? (key ?? '') : words.pick(agency.short);
  };
  if (one.join !== null) {
    const way = one.action === 'split' ? 'split' : 'merge';
    return words.t(one.join.gone ? `console.step.${way}.gone` : `console.step.${way}`, { n: one.join.reports });
  }
  if (one.check !== null) {
    const check = checks.find(({ key }) => key === one.check?.key);
    return words.t(one.check.done ? 'console.step.check' : 'console.step.uncheck', { step: check === undefined ? one.check.key : words.pick(check.name) });
  }
  if (one.photos !== null) return words.t(`console.step.photos.${one.photos.kind}`, { n: one.photos.n });
  const said = words.t(one.public ? 'console.step.answer' : (STEPS[one.action] ?? 'console.step.other'), { agency: short(one.agency) });
  const more = [...(one.disposition === null ? [] : [words.t(`console.disposition.${one.disposition}`)]), ...(one.suggested === null ? [] : [words.t('console.step.suggested', { agency: short(one.suggested) })])];
  return more.length === 0 ? said : `${said} (${more.join(', ')})`;
}
