"""From a question or goal to a verified answer: assess, retrieve, decompose, verify, collect, synthesize, record, respond."""
