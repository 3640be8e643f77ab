/* From a metrics table to episodes: measurements on a grid of decisions, gaps marked.
 *
 * The period is the median spacing of the rows. A row goes to the nearest decision; decisions
 * without a row, and values that are missing, become gaps; so do stretches without any request
 * (metrics_table_empty_rows()) and memory of 0 in a recording. Where more than `gap_periods`
 * decisions in a row are missing, or a run ends, the episode ends: what follows is another one.
 *
 * A recording knows no joint actions: the change of a service's replicas between two rows stands
 * for them (desired ones if there are any, else deployed ones, else 0). The offered load is the
 * rate received by the service that receives most; where that is missing it is unknown, and where
 * there is no such column a warning says so. A tidy table that was exported has both. A table that
 * does not name controller, scenario, seed or episode is a single recording: its path stands for
 * them. Of a numbered episode that a hole cuts into pieces, the first keeps seed and number; later
 * ones are counted from 1 under a seed made from both. Services of recordings are sorted
 * by name, so that runs of one system fit into one store.
 */
#ifndef KARMA_TRACE_IMPORT_H
#define KARMA_TRACE_IMPORT_H

#include "core/trace/metrics_table.h"
#include "core/trace/store.h"

struct import_cfg {
    const char *origin, *licence;
    uint64_t split_seed;
    double validation, held_out; /* shares */
    int gap_periods;
};
struct import_result {
    int n_episodes;
    int64_t n_steps;
    int n_left_out; /* rows whose time does not advance, or that stand alone */
    int n_empty;    /* rows in which nothing was received for PLAUSIBLE_EMPTY_S or more: gaps */
    double period_s;
};

/* Appends the table's episodes to the store at `path`, which is made if it is not there. ERR_FORMAT
 * for a table without times, or without two rows one behind the other; ERR_MISMATCH if the store is
 * of another system. */
enum err import_table(struct import_result *out, const char *path, const struct metrics_table *s,
                      const struct import_cfg *cfg, struct arena *arena) WARN_UNUSED;

#endif
