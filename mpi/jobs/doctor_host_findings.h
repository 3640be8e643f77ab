/* Findings about the hosts: memory and limits, storage, clocks, names, programs. What a finding is:
 * doctor_findings.h. Local; pure, but
 * doctor_judge_start() and doctor_judge_tools() look for programs in PATH.
 */
#ifndef KARMA_JOBS_DOCTOR_HOST_FINDINGS_H
#define KARMA_JOBS_DOCTOR_HOST_FINDINGS_H

#include "mpi/jobs/doctor_findings.h"

/* What would keep MPI from starting, so that it would end the program with messages of its own.
 * Judged before comm_init(), with the record of this process alone; says nothing if all is well. */
void doctor_judge_start(struct doctor_report *r, const struct doctor_facts *f);

void doctor_judge_memory(struct doctor_report *r, const struct doctor_facts *f);
void doctor_judge_limits(struct doctor_report *r, const struct doctor_facts *f);
void doctor_judge_storage(struct doctor_report *r, const struct doctor_facts *f);
void doctor_judge_clocks(struct doctor_report *r, const struct doctor_facts *f);
void doctor_judge_names(struct doctor_report *r, const struct doctor_facts *f);
void doctor_judge_tools(struct doctor_report *r, const struct doctor_facts *f);

#endif
