/* The rows of section `league`. See league_cfg.h. */
#include "mpi/jobs/league_cfg.h"

const struct cfg_field league_fields[] = {
    CFG_INT(struct league_cfg, rounds, "8", 1, 100, "", CFG_RESULT | CFG_LATER,
            "rounds at most; each adds at most one member to either population"),
    CFG_LIST_UINT64(struct league_cfg, seeds, n_seeds, "[1, 2, 3]", 1, 1000, CFG_RESULT | CFG_LATER,
                    "train.seed of the trainings of a best response, of which the best one joins"),
    CFG_END,
};
