/* DIR/compared/SCENARIO.yaml: a configuration that compares what an ablation has made.
 *
 * It is the evaluation of the spec in that scenario, complete, with the controllers of all
 * variants: each trained one with the policies of the seeds that are done. So the tables of karma
 * eval come from the rows that are there, and no episode is played again:
 *
 *     karma eval DIR/compared/SCENARIO.yaml --merge DIR/runs/.../SCENARIO/.../evaluation/eval.csv
 */
#ifndef KARMA_JOBS_ABLATE_COMPARED_H
#define KARMA_JOBS_ABLATE_COMPARED_H

#include "mpi/jobs/ablate_plan.h"

/* Local. By the states of plan->lines. What is not done is named in a comment. scratch is rewound.
 */
enum err ablate_write_compared(const struct ablate_plan *plan, struct arena *scratch) WARN_UNUSED;

#endif
