/** The words of the console, in both languages: one file for each subject. Part of the dictionary. */
import { actionsEn, actionsId } from './console/actions';
import { bulkEn, bulkId } from './console/bulk';
import { contactsEn, contactsId } from './console/contacts';
import { findEn, findId } from './console/find';
import { helpEn, helpId } from './console/help';
import { incidentEn, incidentId } from './console/incident';
import { joinEn, joinId } from './console/join';
import { lateEn, lateId } from './console/late';
import { pageEn, pageId } from './console/page';
import { pastEn, pastId } from './console/past';
import { queueEn, queueId } from './console/queue';
import { troubleEn, troubleId } from './console/trouble';

export const consoleId = {
  ...pageId,
  ...pastId,
  ...queueId,
  ...findId,
  ...incidentId,
  ...actionsId,
  ...troubleId,
  ...lateId,
  ...bulkId,
  ...joinId,
  ...contactsId,
  ...helpId,
} as const;

export const consoleEn: Record<keyof typeof consoleId, string> = {
  ...pageEn,
  ...pastEn,
  ...queueEn,
  ...findEn,
  ...incidentEn,
  ...actionsEn,
  ...troubleEn,
  ...lateEn,
  ...bulkEn,
  ...joinEn,
  ...contactsEn,
  ...helpEn,
};
