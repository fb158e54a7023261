"""Which method of training fits on one card?"""

import weighbridge as wb

for method in ("full", "lora", "qlora"):
    plan = wb.train("llama-3.1-8b", method=method, checkpointing="full", on="rtx-4090")
    print(method, plan.total, plan.fits)
