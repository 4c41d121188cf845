"""What a deal is worth to a seller: one calculation for lists, pages, the what-if, the API and exports."""
