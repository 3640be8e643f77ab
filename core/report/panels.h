/* Cells of evaluations put together: what was played on the same episodes is compared.
 *
 * A panel has the cells of one domain, seed and range of episodes, on the simulator or in a twin.
 * Its arms have training seeds, and a cell for each seed and scenario as far as it was evaluated. A
 * cell counts once. Left out with a sentence are cells of another environment (their upper bound
 * differs), cells that contradict others, and unfinished ones of an arm whose other seeds are
 * complete. If policies of several trainings have the same controller and seed, their arms are told
 * apart by their directories.
 *
 * A view of a panel is a summary (core/eval/summary.h) of the arms of one scenario, or of those
 * that were evaluated in all of them.
 */
#ifndef KARMA_REPORT_PANELS_H
#define KARMA_REPORT_PANELS_H

#include "core/eval/summary.h"
#include "core/report/results.h"

struct panel_arm {
    const char *name;
    bool learned;
    int n_seeds; /* 1 for rules */
    const uint64_t *seeds;
    const struct result_cell *const *cells; /* (n_seeds, n_scenarios); NULL: not evaluated */
};

struct panel {
    const char *split;
    uint64_t seed;
    uint32_t first;
    int n_episodes;
    bool bounded; /* on the simulator */
    const char *const *scenarios;
    int n_scenarios;
    struct panel_arm *arms; /* in the order of the results */
    int n_arms;
};

/* In the order of the results; cells stay where they are. What is left out is added to `r`. */
enum err panels_make(struct panel **panels, int *n, struct results *r,
                     struct arena *arena) WARN_UNUSED;

/* How intervals are made. */
struct view_cfg {
    int resamples;
    double confidence;
    const char *reference; /* name of an arm; NULL: the first of the rules that scale, as khpa */
};

struct panel_view {
    const struct panel *panel;
    int scenario;    /* of the panel, or OUTCOMES_POOLED */
    const int *arms; /* (summary.n_shown) index in panel->arms of a controller of the summary */
    int reference;   /* controller */
    struct eval_cfg cfg;
    struct summary summary; /* begun: no numbers yet */
};

/* *n_arms = 0: no arm has a training seed there. In the arena. */
enum err panel_view(struct panel_view *v, int *n_arms, const struct panel *p, int scenario,
                    const struct view_cfg *cfg, struct arena *arena) WARN_UNUSED;

/* Training seeds of controller i of a view. */
int panel_view_seeds(const struct panel_view *v, int i);

#endif
