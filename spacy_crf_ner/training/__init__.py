"""What training uses beside the component: augmenters, schedules, a learn rate for each part."""
