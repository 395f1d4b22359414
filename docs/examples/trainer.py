"""Fine-tune the default base model on 20 conversations with nothing but Transformers.

Run: python docs/examples/trainer.py [--model FOLDER] [--out FOLDER]; see `docs/trainer.md`.
"""

import argparse
import json
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, DataCollatorForSeq2Seq, Trainer, TrainingArguments

DATA = Path(__file__).with_name("conversations.jsonl")

parser = argparse.ArgumentParser(description="Fine-tune a model on 20 conversations.")
parser.add_argument("--model", default="data/models/default", help="the base model: a folder, or a hub's id")
parser.add_argument("--out", default="data/models/trained", help="where the trained model goes")
options = parser.parse_args()

tokenizer = AutoTokenizer.from_pretrained(options.model)
model = AutoModelForCausalLM.from_pretrained(options.model, dtype=torch.float32)

rows = []
for line in DATA.read_text().splitlines():
    messages = json.loads(line)["messages"]
    for place, message in enumerate(messages):
        if message["role"] == "assistant":  # a row for each answer, of which only the answer is learnt
            asked = tokenizer.apply_chat_template(messages[:place], add_generation_prompt=True, return_dict=False)
            whole = tokenizer.apply_chat_template(messages[: place + 1], return_dict=False)
            rows.append({"input_ids": whole, "labels": [-100] * len(asked) + whole[len(asked) :]})

trainer = Trainer(
    model=model,
    args=TrainingArguments(
        output_dir=options.out,
        num_train_epochs=3,
        per_device_train_batch_size=4,
        learning_rate=5e-5,
        lr_scheduler_type="cosine",
        logging_steps=1,
        save_strategy="no",
        dataloader_pin_memory=torch.cuda.is_available(),
        report_to="none",
        seed=17,
    ),
    train_dataset=rows,
    data_collator=DataCollatorForSeq2Seq(tokenizer),
    processing_class=tokenizer,
)
trainer.train()
trainer.save_model()
