/* The registry of karma_extra, in place of core/controllers/kinds.c: one line more. */
#include "core/controllers/kinds.h"

extern const struct controller_kind controller_threshold;

const struct cfg_kind *const controller_kinds[] = {CONTROLLER_KINDS(CONTROLLER_ELEMENT)
                                                       CONTROLLER_ELEMENT(threshold) NULL};
