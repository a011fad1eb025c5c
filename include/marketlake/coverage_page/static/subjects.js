/** @import { Address, Subject } from "./types" */

/**
 * What a DAG fetches, or looks at again.
 *
 * @param {Subject[]} subjects
 * @param {string | null} dag_id
 */
export function subjectOf(subjects, dag_id) {
  return subjects.find((subject) => [subject.dag_id, subject.audit_dag_id].includes(dag_id ?? ""));
}

/**
 * Fills in what an address leaves open.
 *
 * @param {Address} address
 * @param {Subject[]} subjects
 * @returns {Address}
 */
export function resolved(address, subjects) {
  const of_dag = subjectOf(subjects, address.dag_id);
  const first = subjects.find((subject) => subject.dataset === "second_bars") ?? subjects[0];
  const dataset = address.dataset ?? of_dag?.dataset ?? first?.dataset ?? null;
  const of_dataset = subjects.find((subject) => subject.dataset === dataset);
  return { ...address, dataset, ticker: address.ticker ?? of_dag?.ticker ?? of_dataset?.ticker ?? null, dag_id: null };
}
