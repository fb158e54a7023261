"""Does it fit, and by how much?"""

import weighbridge as wb

plan = wb.plan("llama-3.1-8b", on="rtx-4090", context=8192)
print(plan.fits, plan.low, plan.total, plan.high)
for term in plan.terms:
    print(term.name, term.bytes, term.basis)
