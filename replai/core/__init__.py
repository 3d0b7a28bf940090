"""Floor 0: times, records, the index, stores, seeds, configs, errors. Free of torch."""
